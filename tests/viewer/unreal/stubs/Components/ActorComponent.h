#pragma once

#include "CoreMinimal.h"
#include "GameFramework/Actor.h"

enum ELevelTick : uint8 { LEVELTICK_All };
enum ETickingGroup : uint8 { TG_PrePhysics, TG_PostUpdateWork };
namespace EEndPlayReason
{
	enum Type : uint8 { Destroyed };
}

struct FActorComponentTickFunction
{
	uint8 bCanEverTick : 1;
	ETickingGroup TickGroup;
};

class UActorComponent : public UObject
{
public:
	FActorComponentTickFunction PrimaryComponentTick;
	uint8 bTickInEditor : 1;
	AActor* GetOwner() const;
	virtual void Activate(bool bReset = false);
	virtual void TickComponent(float DeltaTime, ELevelTick TickType, FActorComponentTickFunction* ThisTickFunction);
	virtual void BeginPlay();
	virtual void EndPlay(const EEndPlayReason::Type EndPlayReason);
};

class USceneComponent : public UActorComponent {};
class UPrimitiveComponent : public USceneComponent {};
