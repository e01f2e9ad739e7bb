#pragma once

#include "CoreMinimal.h"

class USceneComponent;

class AActor : public UObject
{
public:
	USceneComponent* GetRootComponent() const;
	template <typename T>
	T* FindComponentByClass() const;
	template <typename T>
	T* CreateDefaultSubobject(FName Name);
	template <typename T>
	T* CreateDefaultSubobject(const TCHAR* Name);

protected:
	TObjectPtr<USceneComponent> RootComponent;
};
