#pragma once

#include "CoreMinimal.h"
#include "Factories/Factory.h"

#include "Avatar3DAssetFactory.generated.h"

/** Imports .a3d files: drop one into the Content Browser. */
UCLASS()
class AVATAR3DEDITOR_API UAvatar3DAssetFactory : public UFactory
{
	GENERATED_BODY()

public:
	UAvatar3DAssetFactory();

	//~ Begin UFactory Interface
	virtual UObject* FactoryCreateBinary(UClass* InClass, UObject* InParent, FName InName, EObjectFlags Flags, UObject* Context, const TCHAR* Type,
		const uint8*& Buffer, const uint8* BufferEnd, FFeedbackContext* Warn) override;
	//~ End UFactory Interface
};
