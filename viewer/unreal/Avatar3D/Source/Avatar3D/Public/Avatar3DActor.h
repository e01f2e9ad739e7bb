#pragma once

#include "CoreMinimal.h"
#include "GameFramework/Actor.h"

#include "Avatar3DActor.generated.h"

class UAvatar3DComponent;
class UNiagaraComponent;

/** A Gaussian head to drop into a level: a Niagara component, whose system the README describes, and what poses it. */
UCLASS()
class AVATAR3D_API AAvatar3DActor : public AActor
{
	GENERATED_BODY()

public:
	AAvatar3DActor();

	UPROPERTY(VisibleAnywhere, BlueprintReadOnly, Category = "Avatar3D")
	TObjectPtr<UNiagaraComponent> Niagara;

	UPROPERTY(VisibleAnywhere, BlueprintReadOnly, Category = "Avatar3D")
	TObjectPtr<UAvatar3DComponent> Head;
};
